"""The tool that makes catalog/models.yaml from two price packages, cross-checked. See docs/prices.md."""
