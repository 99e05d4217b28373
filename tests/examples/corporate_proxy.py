"""Behind a proxy that signs with a certificate authority of the company.

The proxy comes from HTTPS_PROXY, as everywhere. For the authority, SSL_CERT_FILE does; in code it is a context.
"""

import ssl

from maps_data_registry import connect, wait_for_operation


def wait_behind_the_proxy(operation: str, authority: str) -> str:
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=authority)  # beside the public ones
    with connect("us", ssl_context=context) as client:
        return str(wait_for_operation(client, operation).status)
