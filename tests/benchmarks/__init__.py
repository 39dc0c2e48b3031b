"""The measuring rigs measure what they say."""
