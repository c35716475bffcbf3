"""What template.yaml promises: streamed routes, narrow roles, tables that cannot be lost, nothing that fails unseen."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.local.template import ROOT, TEMPLATE, Json, resources_of

FUNCTION = "AWS::Serverless::Function"
ROLE = "AWS::IAM::Role"
QUEUE = "AWS::SQS::Queue"
ALARM = "AWS::CloudWatch::Alarm"
TABLE = "AWS::DynamoDB::Table"

V1_ROUTES = {
    ("/v1/chat/completions", "post"),
    ("/v1/embeddings", "post"),
    ("/v1/models", "get"),
    ("/v1/models/{model+}", "get"),
    ("/v1/credits", "get"),
    ("/v1/key", "get"),
    ("/v1/limits", "get"),
    ("/v1/receipts/{request_id}", "get"),
    ("/v1/{proxy+}", "x-amazon-apigateway-any-method"),
}

WIDE_ON_PURPOSE = {
    "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}/channels/*": (
        "operators add channels without a deployment, each with a secret under this stack's own prefix"
    ),
    "arn:${AWS::Partition}:bedrock:*::foundation-model/*": (
        "operators add models without a deployment; the catalog decides which are called, and none is sold without a price"
    ),
    "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:inference-profile/*": "the same models, over several regions",
    "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:application-inference-profile/*": "the same, with tags for AWS's bill",
}
"""Resources with a star in them, and why. A function's log group ends with one too: GetAtt hides it, streams need it."""

WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}


# -- routes ------------------------------------------------------------------------------------------------------------
def test_the_v1_routes_are_exactly_the_documented_ones(operations: dict[tuple[str, str], Any]) -> None:
    assert {route for route in operations if route[0].startswith("/v1")} == V1_ROUTES


@pytest.mark.parametrize("route", sorted(V1_ROUTES))
def test_a_v1_route_streams_for_up_to_fifteen_minutes(
    operations: dict[tuple[str, str], Any], route: tuple[str, str]
) -> None:
    integration = operations[route]["x-amazon-apigateway-integration"]

    assert integration["responseTransferMode"] == "STREAM"
    assert integration["timeoutInMillis"] == 900_000
    assert re.search(
        r"lambda:path/2021-11-15/functions/\$\{GatewayFunction\.Arn\}/response-streaming-invocations$",
        integration["uri"]["Fn::Sub"],
    )


def test_the_account_api_is_buffered_and_asks_for_an_access_token(operations: dict[tuple[str, str], Any]) -> None:
    routes = {route: operation for route, operation in operations.items() if not route[0].startswith("/v1")}

    assert set(routes) == {("/api/{proxy+}", "x-amazon-apigateway-any-method")}
    for operation in routes.values():
        assert operation["x-amazon-apigateway-integration"].get("responseTransferMode", "BUFFERED") == "BUFFERED"
        assert operation["security"] == [{"Users": ["aws.cognito.signin.user.admin"]}]


def test_what_api_gateway_answers_by_itself_is_json_that_openai_clients_read(template: Json) -> None:
    for response in template["Resources"]["Api"]["Properties"]["GatewayResponses"].values():
        body = response["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"said"')

        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_the_api_never_logs_a_body(template: Json) -> None:
    api = template["Resources"]["Api"]["Properties"]

    assert [setting["DataTraceEnabled"] for setting in api["MethodSettings"]] == [False]
    assert "body" not in json.dumps(api["AccessLogSetting"]).lower()


def test_the_api_is_regional_because_an_edge_cuts_silent_streams_after_thirty_seconds(template: Json) -> None:
    assert template["Resources"]["Api"]["Properties"]["EndpointConfiguration"] == {"Type": "REGIONAL"}


# -- roles -------------------------------------------------------------------------------------------------------------
def statements(role: Json) -> Iterator[Json]:
    for policy in role["Properties"].get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text_of(resource: Any) -> str:
    if isinstance(resource, dict):
        (function, argument), *_ = resource.items()
        return ".".join(argument) if function == "Fn::GetAtt" else str(argument)
    return str(resource)


def about(statement: Json, table: str) -> bool:
    return f"{table}.Arn" in {text_of(resource) for resource in each(statement["Resource"])}


def allowed(template: Json, role: str, on: str) -> set[str]:
    """What a role may do with one table."""
    return {
        action
        for statement in statements(template["Resources"][role])
        for action in each(statement["Action"])
        if about(statement, on)
    }


def who_may(template: Json, actions: set[str], on: str) -> set[str]:
    return {role for role in resources_of(template, ROLE) if allowed(template, role, on) & actions}


def test_no_statement_allows_a_wildcard_but_the_ones_with_a_reason(transformed: Json) -> None:
    for name, role in resources_of(transformed, ROLE).items():
        for statement in statements(role):
            assert statement["Effect"] == "Allow", name
            assert "*" not in "".join(each(statement["Action"])), (name, statement)
            for resource in each(statement["Resource"]):
                assert "*" not in text_of(resource) or text_of(resource) in WIDE_ON_PURPOSE, (name, resource)


def test_no_role_of_ours_takes_a_managed_policy(transformed: Json) -> None:
    assert [
        n for n, role in resources_of(transformed, ROLE).items() if role["Properties"].get("ManagedPolicyArns")
    ] == []


def test_each_function_has_a_role_of_its_own(transformed: Json) -> None:
    functions = resources_of(transformed, "AWS::Lambda::Function")
    roles = [text_of(function["Properties"]["Role"]) for function in functions.values()]

    assert len(set(roles)) == len(functions)
    assert set(roles) <= {f"{name}.Arn" for name in resources_of(transformed, ROLE)}


def test_no_role_may_change_or_delete_a_receipt(template: Json) -> None:
    assert who_may(template, {"dynamodb:UpdateItem", "dynamodb:DeleteItem"}, "ReceiptsTable") == set()


def test_only_the_gateway_and_the_sweep_write_receipts(template: Json) -> None:
    assert who_may(template, {"dynamodb:PutItem"}, "ReceiptsTable") == {"GatewayRole", "SweepHoldsRole"}


def test_no_function_may_change_what_is_sold(template: Json) -> None:
    assert who_may(template, WRITES, "CatalogTable") == set()


def test_the_auditor_can_write_nowhere(template: Json) -> None:
    for table in resources_of(template, TABLE):
        assert not allowed(template, "AuditBooksRole", table) & WRITES, table


def test_the_look_after_the_channels_sees_no_account_and_writes_of_channels_alone(template: Json) -> None:
    role = "ChannelHealthRole"
    written = [s for s in statements(template["Resources"][role]) if WRITES & set(each(s["Action"]))]

    assert not allowed(template, role, "AccountsTable") | allowed(template, role, "ReceiptsTable")
    assert [(about(s, "CountersTable"), leading_keys(s)) for s in written] == [(True, ["CHANNEL#*"])]


def test_nothing_of_an_account_can_be_deleted_but_the_marks_of_its_expiry(template: Json) -> None:
    deleting = [
        (role, statement.get("Condition"))
        for role, resource in resources_of(template, ROLE).items()
        for statement in statements(resource)
        if "dynamodb:DeleteItem" in each(statement["Action"]) and about(statement, "AccountsTable")
    ]

    assert deleting == [("ExpireCreditsRole", {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["DUE#*"]}})]


def test_only_the_console_may_write_outside_the_partitions_it_needs(template: Json) -> None:
    """Keys, e-mail claims and memberships lie in partitions of their own. A request, a sweep or a sign-up forges no key."""
    unlimited = {
        role
        for role, resource in resources_of(template, ROLE).items()
        for statement in statements(resource)
        if WRITES & set(each(statement["Action"])) and about(statement, "AccountsTable")
        if not any(key.startswith(("ACCOUNT#", "DUE#")) for key in leading_keys(statement))
    }

    assert unlimited == {"ConsoleRole"}


def leading_keys(statement: Json) -> list[str]:
    return list(statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", []))


def test_upstream_keys_are_for_the_gateway_and_the_look_after_the_channels_alone(template: Json) -> None:
    readers = {
        role
        for role, resource in resources_of(template, ROLE).items()
        for statement in statements(resource)
        if any("/channels/" in text_of(resource) for resource in each(statement["Resource"]))
    }

    assert readers == {"GatewayRole", "ChannelHealthRole"}


def test_models_are_for_the_gateway_alone_which_may_only_call_them(template: Json) -> None:
    allowed_by = {
        (role, action)
        for role, resource in resources_of(template, ROLE).items()
        for statement in statements(resource)
        if any(":bedrock:" in text_of(resource) for resource in each(statement["Resource"]))
        for action in each(statement["Action"])
    }

    assert allowed_by == {
        ("GatewayRole", "bedrock:InvokeModel"),
        ("GatewayRole", "bedrock:InvokeModelWithResponseStream"),
    }


# -- tables ------------------------------------------------------------------------------------------------------------
def test_every_table_is_encrypted_on_demand_and_survives_the_stack(template: Json) -> None:
    for name, table in resources_of(template, TABLE).items():
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain", name
        assert table["Properties"]["DeletionProtectionEnabled"] is True, name
        assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}, name
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST", name


def test_every_table_but_the_counters_can_be_restored_to_any_second(template: Json) -> None:
    without = [
        name
        for name, table in resources_of(template, TABLE).items()
        if not table["Properties"].get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
    ]

    assert without == ["CountersTable"]


def test_accounts_and_the_catalog_never_age_out(template: Json) -> None:
    lasting = {n for n, t in resources_of(template, TABLE).items() if "TimeToLiveSpecification" not in t["Properties"]}

    assert lasting == {"AccountsTable", "CatalogTable"}


# -- nothing fails unseen ----------------------------------------------------------------------------------------------
def watched(template: Json, metric: str) -> set[str]:
    """The resources that an alarm on this metric names in its dimensions."""
    return {
        text_of(dimension["Value"]).split(".")[0]
        for alarm in resources_of(template, ALARM).values()
        if alarm["Properties"]["MetricName"] == metric
        for dimension in alarm["Properties"].get("Dimensions", [])
    }


def test_every_queue_takes_what_failed_and_has_an_alarm(template: Json) -> None:
    queues = set(resources_of(template, QUEUE))
    failures_go_to = {
        name for name in queues if f'"Fn::GetAtt": ["{name}", "Arn"]' in json.dumps(resources_of(template, FUNCTION))
    }

    assert failures_go_to == queues
    assert watched(template, "ApproximateNumberOfMessagesVisible") == queues


def test_every_function_has_an_alarm_on_its_errors(template: Json) -> None:
    assert watched(template, "Errors") == set(resources_of(template, FUNCTION))


def test_every_alarm_reaches_the_topic(template: Json) -> None:
    for name, alarm in resources_of(template, ALARM).items():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}], name


def test_an_alarm_on_a_metric_of_ours_names_one_that_is_written(template: Json) -> None:
    """By edge/log.py in the embedded metric format, or by a filter on what a schedule logs."""
    source = (ROOT / "layers" / "core" / "python" / "infergate" / "edge" / "log.py").read_text()
    filtered = {
        transformation["MetricName"]
        for found in resources_of(template, "AWS::Logs::MetricFilter").values()
        for transformation in found["Properties"]["MetricTransformations"]
    }
    ours = {
        alarm["Properties"]["MetricName"]
        for alarm in resources_of(template, ALARM).values()
        if alarm["Properties"]["Namespace"] == "InferGate"
    }

    assert {"ChargeLoss", "BooksDifference", "OldestHoldAge"} <= ours
    assert [name for name in ours - filtered if f'"{name}"' not in source] == []


def test_every_function_writes_to_a_log_group_with_retention(template: Json) -> None:
    groups = resources_of(template, "AWS::Logs::LogGroup")

    for name, function in resources_of(template, FUNCTION).items():
        group = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        assert groups[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_every_schedule_keeps_what_it_could_not_deliver_and_what_then_failed(template: Json) -> None:
    for name, function in resources_of(template, FUNCTION).items():
        for event in function["Properties"].get("Events", {}).values():
            if event["Type"] == "ScheduleV2":
                undelivered = event["Properties"]["DeadLetterConfig"]["Arn"]
                failed = function["Properties"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
                assert undelivered == failed, name
                assert event["Properties"]["OmitName"] is True, name


def test_rollups_take_new_receipts_only_and_report_which_ones_failed(template: Json) -> None:
    stream = template["Resources"]["RollupsFunction"]["Properties"]["Events"]["Receipts"]["Properties"]

    assert [json.loads(one["Pattern"]) for one in stream["FilterCriteria"]["Filters"]] == [{"eventName": ["INSERT"]}]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["StartingPosition"] == "TRIM_HORIZON"


# -- doors -------------------------------------------------------------------------------------------------------------
def test_every_door_has_a_folder_a_block_and_an_event(template: Json) -> None:
    blocks = {
        Path(function["Properties"]["CodeUri"]).name: name
        for name, function in resources_of(template, FUNCTION).items()
    }
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    events = {path.parent.name for path in (ROOT / "events").glob("*/*.json")}

    assert set(blocks) == folders == events
    assert all(name == f"{door.title().replace('_', '')}Function" for door, name in blocks.items())


def test_the_gateway_starts_through_the_adapter_and_is_ready_only_when_it_says_so(template: Json) -> None:
    gateway = template["Resources"]["GatewayFunction"]["Properties"]
    variables = gateway["Environment"]["Variables"]

    assert gateway["Handler"] == "run.sh"
    assert gateway["Timeout"] == 900
    assert variables["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/bootstrap"
    assert variables["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert variables["AWS_LWA_READINESS_CHECK_PATH"] == "/healthz"
    assert variables["AWS_LWA_READINESS_CHECK_HEALTHY_STATUS"] == "200-299"


def test_no_route_waits_longer_than_its_function_may_run(template: Json) -> None:
    for name, function in resources_of(template, FUNCTION).items():
        for event in function["Properties"].get("Events", {}).values():
            if limit := event["Properties"].get("TimeoutInMillis"):
                assert limit <= function["Properties"]["Timeout"] * 1000, name


# -- secrets and sign-in -----------------------------------------------------------------------------------------------
def test_the_template_holds_no_secret_and_makes_the_pepper_itself(template: Json) -> None:
    secrets = resources_of(template, "AWS::SecretsManager::Secret")

    assert all("SecretString" not in secret["Properties"] for secret in secrets.values())
    assert secrets["PepperSecret"]["Properties"]["GenerateSecretString"]["PasswordLength"] == 64
    assert secrets["PepperSecret"]["DeletionPolicy"] == "Retain"
    assert not re.search(r"sk-[A-Za-z0-9]|AKIA[A-Z0-9]{12}|whsec_|BEGIN [A-Z ]*PRIVATE KEY", TEMPLATE.read_text())


def test_people_can_change_no_attribute_of_their_own_but_an_address_that_is_verified_again(template: Json) -> None:
    pool, client = (template["Resources"][name]["Properties"] for name in ("UserPool", "UserPoolClient"))

    assert "Schema" not in pool
    assert client["WriteAttributes"] == ["email"]
    assert pool["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}


def test_signing_in_never_sends_a_password_and_never_tells_who_exists(template: Json) -> None:
    client = template["Resources"]["UserPoolClient"]["Properties"]

    assert set(client["ExplicitAuthFlows"]) == {"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["GenerateSecret"] is False


def test_no_test_hook_reaches_the_deployed_functions(template: Json) -> None:
    variables = set(template["Globals"]["Function"]["Environment"]["Variables"])
    for function in resources_of(template, FUNCTION).values():
        variables |= set(function["Properties"].get("Environment", {}).get("Variables", {}))

    assert not {name for name in variables if name.startswith(("INFERGATE_", "AWS_ENDPOINT_URL"))}
