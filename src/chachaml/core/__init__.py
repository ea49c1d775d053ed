"""The vocabulary: errors, ids, structs, changes and rules. Imports nothing else of chachaml."""
