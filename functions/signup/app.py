"""Cognito's triggers: before a sign-up the address is checked, after its confirmation the account is opened, once.

Events: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-identity-pools-working-with-aws-lambda-triggers.html
"""

import asyncio
from typing import Any

from infergate.console.sign_up import check, confirmed
from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    attributes = event["request"]["userAttributes"]
    if event["triggerSource"].startswith("PreSignUp"):
        check(attributes["email"])
    elif event["triggerSource"] == "PostConfirmation_ConfirmSignUp":
        account = asyncio.run(
            confirmed(rooms.desk, rooms.shelf, attributes["sub"], attributes["email"], attributes.get("name", ""))
        )
        rooms.log({"event": "account_opened", "account": account})
    return event
