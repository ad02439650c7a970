"""The messages that users send: one repeated message, conversations, sampled and generated prompts."""
