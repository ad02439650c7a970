"""The dialects, one file a family of wire forms."""
