"""What users send: a repeated message, growing conversations, sampled prompts with their lengths."""
