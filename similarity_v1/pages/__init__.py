"""What all pages share: rendering, JSON for scripts, bilingual texts; templates/ holds their scripts and styles."""
