"""The crosswalk: the sealed map between originals and pseudonyms; its own file, key and one reader."""
