"""Who the user is to a service: sign in, sign out, and tokens."""

from typing import Annotated

from cyclopts import App, Parameter

from hostler.cli import output as shown
from hostler.cli import reads
from hostler.cli.exits import UsageError
from hostler.cli.session import Session


def add(app: App, session: Session) -> None:
    """Add login, logout, whoami and token."""

    @app.command
    def login(*, link: Annotated[str, Parameter(help="The one-time link that `hostler sign-in-link` printed.")]) -> int:
        """Sign in by a one-time link; a token is kept in a file that only you can read."""
        from urllib.parse import urlsplit

        import hostler
        from hostler.sdk import settings

        parts = urlsplit(link)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(f"{shown.visible(link)} is no link: it begins with http:// or https://.")
        known = settings.load(url=f"{parts.scheme}://{parts.netloc}")
        with hostler.connect(known.url, ca=known.ca) as client:
            made = client.sign_in(link)
        path = settings.save(settings.Settings(url=known.url, token=str(made["secret"]), ca=known.ca))
        session.err.print(f"Signed in to {known.url}; the token is in {path}.")
        return 0

    @app.command
    def logout() -> int:
        """Forget the stored token. `hostler token revoke` ends it for everybody."""
        from hostler.sdk import settings

        forgotten = settings.forget_token()
        session.err.print("The token is forgotten." if forgotten else "No token was stored.")
        return 0

    @app.command
    def whoami(*, output: reads.As = "table") -> int:
        """Show which service is used, and that it knows you."""
        client = session.client
        tokens = len(client.tokens.list())
        shown.document(session, {"service": client.settings.url, "signed_in": True, "tokens": tokens}, output)
        return 0

    app.command(_tokens(session))


def _tokens(session: Session) -> App:
    token = App(name="token", help="API tokens: their rights are never wider than yours.")

    @token.command
    def create(
        name: Annotated[str, Parameter(help="What it is for.")],
        /,
        *,
        privilege: Annotated[list[str] | None, Parameter(negative=(), help="Only this one; may be repeated.")] = None,
        expires_at: Annotated[str | None, Parameter(help="RFC 3339, as 2027-01-31T12:00:00Z.")] = None,
        output: reads.As = "table",
    ) -> int:
        """Make a token. Its secret is shown only now."""
        made = session.client.tokens.create(name, privileges=privilege, expires_at=expires_at)
        shown.document(session, made, output)
        return 0

    @token.command(name="list")
    def _list(*, output: reads.As = "table") -> int:
        """List your tokens."""
        shown.records(session, session.client.tokens.list(), output)
        return 0

    @token.command
    def revoke(token_id: Annotated[str, Parameter(help="The id of the token.")], /) -> int:
        """End a token."""
        session.client.tokens.revoke(token_id)
        session.err.print(f"The token {shown.visible(token_id)} is revoked.")
        return 0

    return token
