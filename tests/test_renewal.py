"""Certificates and passwords change under a running worker: it takes the new ones, and no row is lost or doubled."""

import os
import pathlib
import shutil
import subprocess
import time
import uuid

import pytest
from confluent_kafka import admin

from accounts import assert_nothing_lost_or_doubled, await_version, newest_version
from faults import COMMIT, TRAFFIC
from kafka_service import KafkaService
from kafka_topics import DEADLINE, Topic

RECONNECTED = "security files have changed: reconnecting to Kafka with the new ones"
NOT_ACCEPTED = "security files have changed, but Kafka does not accept the new ones yet"
UNUSABLE = "security files cannot be used"
# What a user may wait for; the machine may be compiling something else.
SOON = 60
ANOTHER_PASSWORD = "close-sesame-7"


@pytest.fixture
def own_kafka(tmp_path_factory):
    """A Kafka of the test's own: its authority and passwords change."""
    service = KafkaService(tmp_path_factory.mktemp("kafka"))
    service.run("up")
    yield service
    service.run("down")


@pytest.fixture
def topic(own_kafka):
    topic = Topic(own_kafka.address(), f"test-{uuid.uuid4().hex[:12]}", partitions=8)
    topic.create()
    return topic


class MountedSecret:
    """A folder as Kubernetes mounts a Secret: files that lead to the present content, which is changed at once."""

    def __init__(self, folder: pathlib.Path, source: pathlib.Path, *names: str):
        self.folder, self.source, self.names = folder, source, names
        folder.mkdir()
        self.update()
        for name in names:
            (folder / name).symlink_to(f"..data/{name}")

    def update(self):
        content = self.folder / f"..{uuid.uuid4().hex}"
        content.mkdir()
        for name in self.names:
            shutil.copy(self.source / name, content / name)
        (self.folder / "..data_tmp").symlink_to(content.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")

    def path(self, name: str) -> str:
        return str(self.folder / name)


def renew_user_certificate(folder: pathlib.Path, authority: pathlib.Path):
    """Another key and certificate of the user, by the same authority."""
    key, request, certificate = (folder / f"new.{kind}" for kind in ("key", "csr", "crt"))
    signer = ("-CA", authority / "user/ca.crt", "-CAkey", authority / "ca.key")
    for arguments in (
        ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=user", "-keyout", key, "-out", request),
        ("x509", "-req", "-in", request, *signer, "-days", "30", "-out", certificate),
    ):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def set_scram_password(own_kafka, password: str):
    client = admin.AdminClient({"bootstrap.servers": own_kafka.address()})
    mechanism = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
    change = admin.UserScramCredentialUpsertion("sluice", mechanism, password.encode())
    client.alter_user_scram_credentials([change])["sluice"].result(DEADLINE)


def goes_on(lake, worker):
    await_version(lake, worker, beyond=newest_version(lake) + 5)


def restart(own_kafka):
    """Every connection is cut; whoever wants another must be let in anew."""
    own_kafka.run("crash")
    own_kafka.run("resume")


def finish(topic, producer, worker, ingest, configuration, lake):
    """The worker that started is the one that ends, and has all rows once."""
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def test_a_running_worker_takes_renewed_certificates_and_then_those_of_another_authority(
    own_kafka, topic, ecommerce, ingest, generate, lake, seed, tmp_path
):
    user = own_kafka.user()
    secret = MountedSecret(tmp_path / "secret", user, "ca.crt", "user.crt", "user.key")
    paths = {"caPath": "ca.crt", "certificatePath": "user.crt", "keyPath": "user.key"}
    tls = {field: secret.path(name) for field, name in paths.items()}
    ecommerce["source"]["kafka"] |= {"bootstrapServers": own_kafka.address("mtls"), "security": {"tls": tls}}
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(ecommerce)
    await_version(lake, worker, beyond=3)

    renew_user_certificate(tmp_path, user.parent)
    shutil.copy(tmp_path / "new.crt", user / "user.crt")
    secret.update()
    worker.await_output(NOT_ACCEPTED, SOON)  # a certificate without its key
    goes_on(lake, worker)
    assert RECONNECTED not in worker.output()
    shutil.copy(tmp_path / "new.key", user / "user.key")
    secret.update()
    worker.await_output(RECONNECTED, SOON)
    assert 'changed="the certificate, the private key"' in worker.output()
    goes_on(lake, worker)

    own_kafka.run("renew")
    restart(own_kafka)
    time.sleep(5)
    stopped_at = newest_version(lake)
    time.sleep(3)
    assert newest_version(lake) == stopped_at, "the former certificates still count"
    secret.update()
    worker.await_output('changed="the certificates of authorities, the certificate, the private key"', SOON)
    await_version(lake, worker, beyond=stopped_at + 5)
    assert worker.output().count(NOT_ACCEPTED) == 1, worker.output()[-4000:]
    finish(topic, producer, worker, ingest, ecommerce, lake)


def test_a_running_worker_takes_a_password_that_its_file_holds_before_kafka_knows_it(
    own_kafka, topic, ecommerce, ingest, generate, lake, seed, tmp_path
):
    user = own_kafka.user()
    name, password = tmp_path / "name", tmp_path / "password"
    name.write_text("sluice")
    password.write_bytes((user / "password").read_bytes())
    sasl = {"mechanism": "SCRAM-SHA-512", "usernamePath": str(name), "passwordPath": str(password)}
    said = {"tls": {"caPath": str(user / "ca.crt")}, "sasl": sasl}
    ecommerce["source"]["kafka"] |= {"bootstrapServers": own_kafka.address("sasl"), "security": said}
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(ecommerce)
    await_version(lake, worker, beyond=3)

    password.write_text("")
    worker.await_output(UNUSABLE, SOON)
    goes_on(lake, worker)
    password.unlink()
    goes_on(lake, worker)
    password.write_text(f"{ANOTHER_PASSWORD}\n")
    worker.await_output(NOT_ACCEPTED, SOON)
    goes_on(lake, worker)
    assert RECONNECTED not in worker.output()

    set_scram_password(own_kafka, ANOTHER_PASSWORD)
    restart(own_kafka)
    worker.await_output(RECONNECTED, SOON)
    assert 'changed="the password"' in worker.output()
    goes_on(lake, worker)
    said = worker.output()
    assert (said.count(UNUSABLE), said.count(NOT_ACCEPTED), said.count(RECONNECTED)) == (1, 1, 1), said[-4000:]
    for secret in (ANOTHER_PASSWORD, (user / "password").read_text().strip()):
        assert secret not in said
    os.utime(password)
    time.sleep(8)
    goes_on(lake, worker)
    assert worker.output().count(RECONNECTED) == 1, "a file that was only touched has not changed"
    finish(topic, producer, worker, ingest, ecommerce, lake)
