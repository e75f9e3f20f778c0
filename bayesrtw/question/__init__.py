"""What a fit can answer: refits, panels, tipping points, checks, comparisons."""
