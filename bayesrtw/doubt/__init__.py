"""What a careful reader would doubt: rules, contradictions, and where they are found."""
