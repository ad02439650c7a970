"""The pictures as figures of report.html."""
