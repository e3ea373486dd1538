"""What is run in every test run, and what is known to be refused."""

from __future__ import annotations

# Small, and together of every family: these are made and run in less than a minute.
QUICK = (
    "mlp", "activations", "norms", "several_inputs", "mixed_float16", "mixed_bfloat16", "bfloat16", "cnn", "grouped",
    "preprocessed_image", "decoded_images", "lstm", "transformer", "string_lookup", "text_vectorization", "tabular",
    "elementwise", "broadcasts", "condition", "case", "nested_loops", "string_functions", "split_strings", "gathers",
    "sparse_embedding", "parsed_examples", "tf1_ref_variables", "file_table", "several_signatures", "with_training",
)  # fmt: skip

# Honest refusals, by kind and TensorFlow: no rewriting gives that one what it lacks, and nothing is written for it.
KNOWN_REFUSALS: dict[str, tuple[str, ...]] = {
    # It knows the case of ASCII's letters alone.
    "unicode_case": ("1.12",),
}


def expected_verdict(name: str, processor: str) -> str:
    """What should become of a kind on a processor: ``right`` or ``refused``."""
    return "refused" if processor.rpartition("_")[2] in KNOWN_REFUSALS.get(name, ()) else "right"
