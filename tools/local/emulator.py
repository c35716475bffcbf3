"""MiniStack with what it lacks for us. Runs under .tools/emulator's Python, which has MiniStack; started by aws.py.

One thing is added: Cognito's PostConfirmation trigger. MiniStack 1.5.33 accepts it in a pool's LambdaConfig and never
calls it, and it is where an account comes into being.
"""

import os
import signal
import sys
import threading
import time
from typing import Any

from ministack.app import main  # type: ignore[import-not-found]
from ministack.services import cognito, lambda_svc  # type: ignore[import-not-found]

type Json = dict[str, Any]
type Answer = tuple[int, Json, bytes]

_confirm_sign_up = cognito._confirm_sign_up
_admin_confirm_sign_up = cognito._admin_confirm_sign_up


def confirm_sign_up(data: Json) -> Answer:
    answer: Answer = _confirm_sign_up(data)
    pool, _ = cognito._pool_for_client(data.get("ClientId"))
    return answer if answer[0] != 200 else _post_confirmation(pool, data, answer)


def admin_confirm_sign_up(data: Json) -> Answer:
    answer: Answer = _admin_confirm_sign_up(data)
    pool, _ = cognito._resolve_pool(data.get("UserPoolId"))
    return answer if answer[0] != 200 else _post_confirmation(pool, data, answer)


def _post_confirmation(pool: Json, data: Json, answer: Answer) -> Answer:
    """As on AWS: the person is confirmed before the trigger runs, and stays so when it fails, but is told."""
    user, _ = cognito._resolve_user(pool, data.get("Username"))
    if "email" in pool.get("AutoVerifiedAttributes", []):
        verified = [{"Name": "email_verified", "Value": "true"}]
        user["Attributes"] = cognito._merge_attributes(user["Attributes"], verified)
    function = (pool.get("LambdaConfig") or {}).get("PostConfirmation")
    if not function:
        return answer
    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    execution = lambda_svc._execution_record_for_config(record, config)
    result = lambda_svc._execute_function_with_config_scope(execution, _event(pool, user, data))
    if result.get("error"):
        message = f"PostConfirmation failed with error {result.get('body')}."
        refusal: Answer = cognito.error_response_json("UserLambdaValidationException", message, 400)
        return refusal
    return answer


def _event(pool: Json, user: Json, data: Json) -> Json:
    """docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-confirmation.html"""
    attributes = cognito._attr_list_to_dict(user["Attributes"]) | {"cognito:user_status": "CONFIRMED"}
    event: Json = cognito._build_presignup_event(
        pool["Id"], data.get("ClientId"), user["Username"], attributes, "PostConfirmation_ConfirmSignUp"
    )
    event["request"] = {"userAttributes": attributes} | (
        {"clientMetadata": data["ClientMetadata"]} if data.get("ClientMetadata") else {}
    )
    event["response"] = {}
    return event


def end_with_parent() -> None:
    """A test run that is killed cannot stop its emulator, which would then run for good."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    # Cognito's dispatcher looks both up by name at each call.
    cognito._confirm_sign_up = confirm_sign_up
    cognito._admin_confirm_sign_up = admin_confirm_sign_up
    sys.exit(main())
