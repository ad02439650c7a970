"""Numbers into text, HTML, Markdown, CSV and CI formats."""
