"""Whom a bridge trusts to vouch for its provider: the one way TLS is made here.

Owns the context of outgoing connections. A certificate and its name are always verified; there is
no way to ask for less.
"""

import ssl


def verifying(ca_file: str = "") -> ssl.SSLContext:
    """Return a context that verifies whoever answers.

    Parameters
    ----------
    ca_file : str
        Authorities in PEM, instead of the system's.

    Raises
    ------
    OSError
        The file cannot be read, or holds no authority; the words name it.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as error:
        raise OSError(f"{ca_file}: no authorities in PEM ({error.reason})") from None
    except OSError as error:
        raise OSError(f"{ca_file}: {error.strerror}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
