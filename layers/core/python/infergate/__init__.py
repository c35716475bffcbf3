"""InferGate: prepaid AI credits behind an OpenAI-compatible API. docs/architecture.md says what stands where."""
