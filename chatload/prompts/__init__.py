"""What users say: one fixed message, conversations that grow, and sampled prompts with their lengths."""
