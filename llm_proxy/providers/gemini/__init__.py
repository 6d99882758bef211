"""Google's Gemini API (`generateContent`), as providers speak it. Pure."""
