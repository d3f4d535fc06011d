"""Logins to ECR, against moto with a server before it that gives each its own end."""

import base64
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from pydantic import ValidationError

from blocks_aws import AwsCredentials, EcrRegistry
from blocks_core.capabilities import ContainerRegistry
from blocks_core.errors import CredentialsRefused

SECRET = "p1anted-5ecret-key"
SERVER = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
HALF_A_DAY = 12 * 3600


@pytest.fixture
def registry(credentials, expiring_aws):
    expiring_aws.give_for(HALF_A_DAY)
    return EcrRegistry(credentials=credentials.model_copy(update={"endpoint_url": expiring_aws.url}))


def at(registry, url, **other):
    return registry.model_copy(
        update={"credentials": registry.credentials.model_copy(update={"endpoint_url": url, **other})}
    )


def test_a_login_names_the_server_as_it_stands_in_an_image(registry):
    login = registry.login()
    assert (login.server, login.username) == (SERVER, "AWS")
    assert login.password.get_secret_value() == "canary-4714-login-0"
    assert isinstance(registry, ContainerRegistry)


def test_another_account_and_another_region_are_those_of_the_server(registry):
    other = registry.model_copy(update={"registry_id": "999988887777", "region": "eu-west-3"})
    assert other.login().server == "999988887777.dkr.ecr.eu-west-3.amazonaws.com"


def test_a_login_is_kept_while_it_lasts_by_all_blocks_of_one_bearer(registry, expiring_aws):
    first = registry.login()
    assert registry.login() == registry.model_copy().login() == first
    assert len(expiring_aws.logins) == 1
    registry.model_copy(update={"region": "eu-west-3"}).login()
    assert len(expiring_aws.logins) == 2


def test_a_login_is_renewed_before_it_ends(registry, expiring_aws):
    expiring_aws.give_for(14 * 60)
    registry.login()
    expiring_aws.give_for(HALF_A_DAY)
    assert registry.login().password.get_secret_value() == "canary-4714-login-1"
    registry.login()
    assert len(expiring_aws.logins) == 2


def test_many_threads_that_need_a_login_get_one(registry, expiring_aws):
    start = Barrier(8)

    def log_in(_):
        start.wait(30)
        return registry.login().password.get_secret_value()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(log_in, range(8))) == {"canary-4714-login-0"}
    assert len(expiring_aws.logins) == 1


def test_the_key_of_a_role_that_has_expired_is_renewed_to_log_in(registry, expiring_aws):
    role = "arn:aws:iam::123456789012:role/images"
    in_role = at(registry, expiring_aws.url, role_arn=role)
    in_role.login()
    expiring_aws.expire()
    in_role.model_copy(update={"region": "eu-west-3"}).login()
    assert in_role.check().ok
    assert (len(expiring_aws.given), expiring_aws.refused) == (2, 1)


def test_a_check_has_a_line_for_each_permission(registry, aws):
    assert [(result.name, result.ok) for result in registry.check().results] == [
        ("login", True),
        ("repositories", True),
    ]
    assert registry.check().results[0].detail.startswith(f"{SERVER}, until 20")
    aws.client("ecr").create_repository(repositoryName="etl")
    assert registry.check().results[1].detail == "1 may be seen"


def test_a_permission_that_is_missing_is_named(strict_aws):
    keys = AwsCredentials(
        access_key_id=strict_aws.id, secret_access_key=strict_aws.secret, endpoint_url=strict_aws.url
    )
    registry = EcrRegistry(credentials=keys, region="us-east-1")
    iam = keys.client("iam", region_name="us-east-1")
    user = strict_aws.arn.rpartition("/")[2]
    allowed = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:GetAuthorizationToken",'
        '"iam:DeleteUserPolicy"],"Resource":"*"}]}'
    )
    iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=allowed)
    report = registry.check()
    assert [result.ok for result in report.results] == [True, False]
    assert "Give the bearer of the credentials ecr:DescribeRepositories" in report.results[1].detail
    iam.delete_user_policy(UserName=user, PolicyName="all")
    with pytest.raises(
        CredentialsRefused, match=r"Give the bearer of the credentials ecr:GetAuthorizationToken"
    ):
        registry.login()


def test_a_wrong_secret_is_refused_without_showing_it(strict_aws):
    wrong = AwsCredentials(
        access_key_id=strict_aws.id, secret_access_key=SECRET, region="us-east-1", endpoint_url=strict_aws.url
    )
    registry = EcrRegistry(credentials=wrong)
    with pytest.raises(
        CredentialsRefused, match=r"ECR did not answer.*a wrong access key looks the same"
    ) as caught:
        registry.login()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert not registry.check().ok
    assert SECRET not in repr(registry.check())


def test_a_login_that_was_refused_is_asked_for_again(registry, nobody_listens, expiring_aws):
    with pytest.raises(CredentialsRefused, match="EndpointConnectionError"):
        at(registry, nobody_listens).login()
    expiring_aws.give_for(-1)  # as if the clocks differed: never kept
    registry.login()
    registry.login()
    assert len(expiring_aws.logins) == 2


def test_no_region_says_where_to_put_it(registry, expiring_aws):
    with pytest.raises(CredentialsRefused, match=r"NoRegionError.*Give region"):
        at(registry, expiring_aws.url, region=None).login()


ANSWERS = [
    {"authorizationData": []},
    {
        "authorizationData": [
            {"authorizationToken": "no base64!", "proxyEndpoint": "https://x", "expiresAt": 9e9}
        ]
    },
    {
        "authorizationData": [
            {"authorizationToken": "QVdTOg==", "proxyEndpoint": "https://x", "expiresAt": 9e9}
        ]
    },
    {"authorizationData": [{"authorizationToken": "QVdTOng=", "proxyEndpoint": "", "expiresAt": 9e9}]},
    {"authorizationData": [{"authorizationToken": "QVdTOng=", "proxyEndpoint": "https://x"}]},
    {"authorizationData": 7},
    {},
    "[]",
    "<html>",
    None,
]


@pytest.mark.parametrize("body", ANSWERS, ids=lambda body: repr(body)[:60])
def test_what_is_no_ecr_is_a_typed_error(body, registry, answering):
    with pytest.raises(CredentialsRefused, match=r"ECR did not answer|no ECR") as caught:
        at(registry, answering(200, body)).login()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_login_is_neither_shown_nor_logged(registry, caplog, capfd):
    registry.credentials.client("ecr")  # imports the vendor's packages, which make their loggers
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            login = registry.login()
            report = registry.check()
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert "withheld" in caplog.text
    carried = [repr(record.__dict__) for record in caplog.records]
    password = login.password.get_secret_value()
    for text in (caplog.text, *capfd.readouterr(), *carried, repr(login), repr(report), repr(registry)):
        assert password not in text
        assert base64.b64encode(f"AWS:{password}".encode()).decode() not in text


@pytest.mark.parametrize(
    "fields",
    [{"registry_id": "12345"}, {"registry_id": "123456789012 "}, {"region": "eu/x"}, {"timeout_seconds": 0}],
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        EcrRegistry(**fields)
