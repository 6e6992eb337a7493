"""The sections of a recipe, one file each; none of them sees the whole recipe."""
