"""Self-contained HTML pages: text escaped, charts as inline SVG, no script, nothing fetched."""
