"""HTTP semantics as values, for both codecs: fields, authority, target, heads, framing."""
