"""From scores to rationales: selection, both refinement chains, submissions."""
