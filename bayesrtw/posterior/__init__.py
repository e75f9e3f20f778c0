"""What we learned: summaries of posteriors, and what they say about themselves."""
