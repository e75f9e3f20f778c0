"""What was reported: measures, conversion to the analysis scale, validated tables."""
