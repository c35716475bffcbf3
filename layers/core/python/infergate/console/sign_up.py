"""A person's first steps: the address is checked, and once it is confirmed the account is opened with its trial.

accounts table:
  USER#<sub>   ACCOUNT#<account>   the accounts that a signed-in person belongs to, with the role
"""

from infergate.accounts.accounts import canonical_email
from infergate.catalog.shelf import Shelf
from infergate.console.accounts import Desk, open_account
from infergate.kernel.errors import NotFound
from infergate.store.client import query
from infergate.store.transact import put_new

PLAN = "starter"
CAMPAIGN = "trial"


def check(email: str) -> None:
    """Raises InvalidRequest for an address that cannot be signed up."""
    canonical_email(email)


async def confirmed(desk: Desk, shelf: Shelf, sub: str, email: str, name: str) -> str:
    """The id of the person's account, opened if they have none. Cognito may call twice: the second changes nothing."""
    snapshot = await shelf.current()
    account, _ = await open_account(
        desk, email, name=name, plan=PLAN, trial=snapshot.campaigns.get(CAMPAIGN), actor=f"user:{sub}"
    )
    await _belongs(desk, sub, account.id)
    return account.id


async def account_of(desk: Desk, sub: str) -> str:
    """The account that this person owns. Raises NotFound."""
    memberships = await query(desk.store, desk.table, f"USER#{sub}", limit=1)
    if not memberships:
        raise NotFound("account of this user")
    return str(memberships[0]["sk"]["S"]).removeprefix("ACCOUNT#")


async def _belongs(desk: Desk, sub: str, account: str) -> None:
    membership = {"pk": f"USER#{sub}", "sk": f"ACCOUNT#{account}", "role": "owner"}
    # Refused means that it is there already.
    await desk.transact([put_new(desk.table, membership)])
