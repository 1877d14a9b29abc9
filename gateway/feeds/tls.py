"""TLS contexts of outgoing connections: certificate and name are always verified.

Owns the one way in which such a context is made. There is no option to verify less.
"""

import ssl


def verifying(ca_file: str = "") -> ssl.SSLContext:
    """Return a context that verifies the peer's certificate and name.

    Parameters
    ----------
    ca_file : str
        Authorities in PEM, instead of the system's.

    Raises
    ------
    OSError
        The file cannot be read, or holds no authority; the message names it.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as error:
        raise OSError(f"{ca_file}: no authorities in PEM ({error.reason})") from None
    except OSError as error:
        raise OSError(f"{ca_file}: {error.strerror}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
