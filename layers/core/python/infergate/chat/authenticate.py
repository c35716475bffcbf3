"""Who is asking, for requests that reserve nothing: the wallet is read, so that a revoked key stops at once here too."""

from infergate.accounts.keys import ApiKey
from infergate.chat.types import House
from infergate.kernel.errors import AccountNotActive, Unavailable
from infergate.ledger.types import Wallet
from infergate.store.errors import StoreError


async def authenticate(house: House, presented: str | None) -> tuple[ApiKey, Wallet]:
    """Raises InvalidKey, AccountNotActive, Unavailable."""
    return await fresh(house, await house.keys.find(presented))


async def fresh(house: House, key: ApiKey) -> tuple[ApiKey, Wallet]:
    """The key as it is now, and the wallet. Raises InvalidKey, AccountNotActive, Unavailable."""
    try:
        wallet = await house.ledger.wallet(key.account)
    except StoreError as error:
        raise Unavailable("the account cannot be read") from error
    if wallet is None:
        raise Unavailable("the account's wallet is missing")
    if wallet.epoch != key.epoch:
        key = await house.keys.reread(key, wallet.epoch)
    if wallet.status != "active":
        raise AccountNotActive(wallet.status)
    return key, wallet
