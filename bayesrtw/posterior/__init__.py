"""What we learned: distributions of named quantities, how they are stored, summarised and checked."""
