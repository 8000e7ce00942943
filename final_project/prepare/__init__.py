"""Stage prepare: from raw files, or the built-in generator, to what the later stages read.

runs/<recipe>/prepare/
    train.csv dev.csv test.csv   pairs; the label column is empty where labels are unknown
    text.tsv                     text for masked-LM, one pair a line: the training pairs before augmentation, and those
                                 of other corpora and plain text, without what shares a sentence with what will be
                                 scored
    collection.arrow             the same pairs with label and corpus (where other corpora were asked for)
    explain.jsonl                rows to explain, in the contest's form
    originals.tsv                two columns: the texts by which refinement recognises originals
    gold.jsonl pair_map.jsonl    gold rationales, and which perturbed row comes from which original (built-in pairs)
    statistics.json              figures of every set and corpus, what was left out and why, the overlap baseline

inputs.py finds the files, material.py reads them, select_pairs.py says which pairs stay, prepare_pairs.py writes,
facts.py counts.
Training pairs pass through as a stream and rest on disk; in memory are their fingerprints alone.
"""
