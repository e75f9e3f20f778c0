"""What we assume: priors, terms, likelihoods, and the model as their sum."""
