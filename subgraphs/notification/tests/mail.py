"""A mail server for the tests: aiosmtpd, which prints each letter as a line of JSON.

The first line is the port, which is any unless MAIL_PORT says so. Letters to later@... are put off the first time (451), letters to
nobody@... are refused (550). With a user and a password as arguments, one has to log in.
"""

import asyncio
import json
import os
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    def __init__(self):
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        if address.startswith("later@") and address not in self.put_off:
            self.put_off.add(address)
            return "451 try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode(),
        }
        print(json.dumps(letter), flush=True)
        return "250 OK"


def smtp(handler, credentials):
    if not credentials:
        return SMTP(handler)

    def authenticate(server, session, envelope, mechanism, given):
        wanted = LoginPassword(*(text.encode() for text in credentials))
        return AuthResult(success=given == wanted)

    return SMTP(
        handler, authenticator=authenticate, auth_required=True, auth_require_tls=False
    )


async def main():
    handler = Handler()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: smtp(handler, sys.argv[1:]),
        "127.0.0.1",
        int(os.environ.get("MAIL_PORT", "0")),
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
