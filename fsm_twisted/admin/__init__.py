"""The admin port: health first, later metrics and the dashboard."""
