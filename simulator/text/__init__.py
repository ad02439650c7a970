"""Reply text and token counts."""
