"""Where the ledger's items lie. Every table has string keys `pk` and `sk`.

accounts table, one partition an account:
  ACCOUNT#<account>   WALLET             the spendable credit (wallet.py)
                      GRANT#<grant>      one lot of credit (grants.py)
                      ENTRY#<number>     one movement, numbered without gaps (entries.py)
                      CAUSE#<cause>      the movement that a cause has made, so that it makes no second one
  DUE#<yyyymmdd>#<spread>   <expires_at>#<account>#<grant>   a grant that ends on that day, for the expiry run
                            <at>#<account>#debt              a debt that holds which were open may repay from then on
receipts table, spread so that no partition is hot; derivable from account and request id:
  <account>#<yyyymmddhh>#<spread>   <request id>
counters table:
  ACTIVE#<window>#<spread>   <account>   the account may have holds made in this window (sweep)
"""

from infergate.kernel.ids import made_at_ms, spread_of
from infergate.kernel.time import hour_of

WALLET = "WALLET"
GRANT = "GRANT#"
ENTRY = "ENTRY#"
CAUSE = "CAUSE#"
DEBT = "debt"
"""In a mark of the expiry run, where a grant's name stands otherwise."""
RECEIPT_SPREAD = 4
ACTIVE_SPREAD = 4
DUE_SPREAD = 4
WINDOW_S = 600


def account_pk(account: str) -> str:
    return f"ACCOUNT#{account}"


def entry_sk(number: int) -> str:
    return f"{ENTRY}{number:012d}"


def receipt_pk(account: str, request_id: str) -> str:
    """Raises ValueError for something that is no request id."""
    return f"{account}#{hour_of(made_at_ms(request_id))}#{spread_of(request_id, RECEIPT_SPREAD)}"


def receipt_pk_of_hour(account: str, hour_s: int, spread: int) -> str:
    return f"{account}#{hour_of(hour_s * 1000)}#{spread}"


def window_of(now_s: float) -> int:
    return int(now_s) // WINDOW_S


def active_pk(window: int, spread: int) -> str:
    return f"ACTIVE#{window}#{spread}"


def due_pk(expires_at: int, spread: int) -> str:
    return f"DUE#{hour_of(expires_at * 1000)[:8]}#{spread}"


def due_sk(expires_at: int, account: str, grant: str) -> str:
    return f"{expires_at:012d}#{account}#{grant}"
