"""The hash of the index in plain Python integers, and its inverse."""

MASK_64 = (1 << 64) - 1


def mix_twin(value: int) -> int:
    """Hash 64 bits as the index does."""
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & MASK_64
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & MASK_64
    return value ^ value >> 33


def unmix_twin(hashed: int) -> int:
    """Return the value that has this hash."""
    hashed ^= hashed >> 33
    hashed = hashed * pow(0xC4CEB9FE1A85EC53, -1, 1 << 64) & MASK_64
    hashed ^= hashed >> 33
    hashed = hashed * pow(0xFF51AFD7ED558CCD, -1, 1 << 64) & MASK_64
    return hashed ^ hashed >> 33
