"""Keys that end, against moto with a server before it that lets them end: a role's, and those of shared files."""

import json
import sys

import pytest

from blocks_aws import S3, AwsCredentials, AwsSecret
from blocks_aws.kms import AwsKms
from blocks_core.errors import CredentialsRefused, KeysInvalid, StorageFailed
from blocks_core.testing.renewing_suite import Renewing, RenewingSuite

ROLE = "arn:aws:iam::123456789012:role/etl"


def renewing_by(expiring_aws, use, refusal):
    return Renewing(
        use=use,
        issued=lambda: len(expiring_aws.given),
        refused=lambda: expiring_aws.refused,
        secrets=expiring_aws.secrets,
        give_for=expiring_aws.give_for,
        expire=expiring_aws.expire,
        expire_always=expiring_aws.expire_always,
        refusal=refusal,
    )


@pytest.fixture
def in_role(credentials, expiring_aws):
    return credentials.model_copy(update={"role_arn": ROLE, "endpoint_url": expiring_aws.url})


@pytest.fixture
def storage(bucket, in_role):
    return S3(bucket=bucket, credentials=in_role)


class TestS3InARole(RenewingSuite):
    @pytest.fixture
    def renewing(self, storage, expiring_aws):
        return renewing_by(expiring_aws, lambda: storage.write("a", b"1"), StorageFailed)


def test_a_question_whose_refusal_has_no_body_renews_the_key_too(aws, storage, expiring_aws):
    """A HEAD's: it does not say that the key has expired. botocore takes it for another region, and asks for that."""
    aws.client("s3").put_object(Bucket=storage.bucket, Key="a", Body=b"1")
    assert storage.exists("a")
    for issued in (2, 3):
        expiring_aws.expire()
        assert storage.exists("a")
        assert len(expiring_aws.given) == issued
    expiring_aws.expire_always()
    with pytest.raises(StorageFailed, match=r"'bucket-.*\(400\).*Most often the temporary key has expired"):
        storage.exists("a")
    assert len(expiring_aws.given) <= 5  # one each for the question and for that of the region


class TestKmsInARoleOfTheSharedFiles(RenewingSuite):
    """Where botocore itself assumes the role, as for what follows AWS's own chain."""

    @pytest.fixture
    def renewing(self, aws, expiring_aws, tmp_path, monkeypatch):
        file = tmp_path / "config"
        file.write_text(
            f"[default]\nregion = us-east-1\nrole_arn = {ROLE}\nsource_profile = keys\n\n"
            "[profile keys]\naws_access_key_id = AK\naws_secret_access_key = p1anted-5ecret-key\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        monkeypatch.setenv("AWS_ENDPOINT_URL", expiring_aws.url)
        wrapper = AwsKms(aws.client("kms").create_key()["KeyMetadata"]["KeyId"])
        return renewing_by(expiring_aws, lambda: wrapper.wrap("k1", b"1" * 32), KeysInvalid)


def test_a_secret_source_renews_its_key_and_says_so_where_it_cannot(aws, in_role, expiring_aws):
    aws.client("secretsmanager").create_secret(Name=f"of-{expiring_aws.url}", SecretString="x")
    source = AwsSecret(credentials=in_role)
    for issued in (1, 2):
        assert source.read_secret(f"of-{expiring_aws.url}").get_secret_value() == b"x"
        assert (len(expiring_aws.given), expiring_aws.refused) == (issued, issued - 1)
        expiring_aws.expire()
    expiring_aws.expire_always()
    with pytest.raises(CredentialsRefused, match=r"ExpiredTokenException.*refused again"):
        source.read_secret(f"of-{expiring_aws.url}")
    assert len(expiring_aws.given) == 3


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("sqs", "list_queues"),
        ("ec2", "describe_regions"),
        ("dynamodb", "list_tables"),
        ("s3", "list_buckets"),
    ],
)
def test_each_client_that_credentials_give_renews_them(service, action, in_role, expiring_aws):
    client = in_role.client(service)
    getattr(client, action)()
    expiring_aws.expire()
    getattr(client, action)()
    assert (len(expiring_aws.given), expiring_aws.refused) == (2, 1)


def test_blocks_and_clients_in_one_role_share_its_key(storage, in_role, expiring_aws):
    storage.write("a", b"1")
    in_role.identity()
    in_role.model_copy().client("sqs").list_queues()
    assert len(expiring_aws.given) == 1
    in_role.model_copy(update={"external_id": "x-1"}).identity()
    assert len(expiring_aws.given) == 2


def test_a_large_write_goes_on_where_the_key_ends_in_its_middle(storage, expiring_aws):
    with storage.open_write("large") as file:
        file.write(b"1" * (40 << 20))
        expiring_aws.expire()
        file.write(b"2" * (40 << 20))
    assert storage.read("large", start=(40 << 20) - 1, end=(40 << 20) + 1) == b"12"
    assert len(expiring_aws.given) == 2


def test_what_is_refused_for_another_reason_is_not_asked_again(bucket, in_role, expiring_aws):
    with pytest.raises(StorageFailed, match="no bucket"):
        S3(bucket="no-such-bucket", credentials=in_role).read("a")
    assert len([request for request in expiring_aws.requests if request[1] == "s3"]) == 1


@pytest.fixture
def temporary(expiring_aws):
    """Get a temporary key, as a person does who puts it into a file."""

    def get():
        credentials = AwsCredentials(
            access_key_id="AK", secret_access_key="x", role_arn=ROLE, endpoint_url=expiring_aws.url
        )
        return credentials.assume_role()

    return get


def lines_of(key):
    names = {
        "access_key": "aws_access_key_id",
        "secret_key": "aws_secret_access_key",
        "token": "aws_session_token",
    }
    return "[default]\n" + "".join(f"{names[name]} = {key[name]}\n" for name in names)


USES = {
    "boto3": lambda credentials, _: credentials.identity(),
    "s3": lambda credentials, bucket: S3(bucket=bucket, credentials=credentials).write("a", b"1"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_key_that_something_else_renews_in_a_shared_file_is_read_anew(
    use, bucket, expiring_aws, temporary, tmp_path, monkeypatch
):
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    credentials = AwsCredentials(region="us-east-1", endpoint_url=expiring_aws.url)
    file.write_text(lines_of(temporary()))
    use(credentials, bucket)
    expiring_aws.expire()
    with pytest.raises((CredentialsRefused, StorageFailed), match=r"ExpiredToken.*Get a new one"):
        use(credentials, bucket)
    file.write_text(lines_of(temporary()))
    use(credentials, bucket)
    assert expiring_aws.refused == (1 if use is USES["boto3"] else 2)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_program_that_gives_a_profiles_keys_is_asked_again(
    use, bucket, expiring_aws, temporary, tmp_path, monkeypatch
):
    answer = tmp_path / "answer.json"
    program = tmp_path / "program.py"
    program.write_text(
        f"print(open({str(answer)!r}).read()); open({str(tmp_path / 'asked')!r}, 'a').write('.')"
    )
    config = tmp_path / "config"
    config.write_text(
        f"[profile outside]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    def put():
        key = temporary()
        answer.write_text(
            json.dumps(
                {
                    "Version": 1,
                    "AccessKeyId": key["access_key"],
                    "SecretAccessKey": key["secret_key"],
                    "SessionToken": key["token"],
                    "Expiration": key["expiry_time"],
                }
            )
        )

    put()
    credentials = AwsCredentials(profile="outside", endpoint_url=expiring_aws.url)
    use(credentials, bucket)
    put()
    expiring_aws._expired.add(next(iter(expiring_aws.given)))
    before = (tmp_path / "asked").read_text()
    use(credentials, bucket)
    assert len((tmp_path / "asked").read_text()) == len(before) + 1


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_keys_of_the_block_itself_are_not_renewed_but_say_what_to_do(use, bucket, expiring_aws, temporary):
    key = temporary()
    credentials = AwsCredentials(
        access_key_id=key["access_key"],
        secret_access_key=key["secret_key"],
        session_token=key["token"],
        region="us-east-1",
        endpoint_url=expiring_aws.url,
    )
    use(credentials, bucket)
    expiring_aws.expire()
    with pytest.raises((CredentialsRefused, StorageFailed), match=r"ExpiredToken.*Get a new one"):
        use(credentials, bucket)
    assert expiring_aws.refused == 1
