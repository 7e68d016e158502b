"""Walks an agent with a Consul client of Python: py-consul or python-consul, whichever is on the path.

    consul_client.py PORT NODE [--newer]

Each step is told when it held; the first that does not ends the walk with what was seen. `--newer` adds routes that Consul 1.8
does not have, and only py-consul asks.
"""

import argparse
import threading
import time
import uuid

import consul

WIDE = hasattr(consul.Consul, "__enter__")  # py-consul, which goes on where python-consul ended
STEPS = 0


def step(what, holds, seen=None):
    global STEPS
    assert holds, "%s: %r" % (what, seen)
    STEPS += 1
    print("ok", what, flush=True)


def until(what, ask):
    """Waits for an answer that is true; what the agent knows reaches the catalog a moment later, its coordinate half a minute."""
    end = time.monotonic() + 60
    while not (answer := ask()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    step(what, True)
    return answer


def raises(what, kind, act):
    try:
        seen = act()
    except kind as error:
        step(what, True)
        return str(error)
    raise AssertionError("%s: no error, but %r" % (what, seen))


def later(act):
    thread = threading.Timer(0.2, act)
    thread.start()
    return thread


def keys(c):
    index, none = c.kv.get("walk/none")
    step("a key that is not there", none is None and int(index) > 0, (index, none))
    step("put", c.kv.put("walk/a", "one", flags=3589) is True)
    index, row = c.kv.get("walk/a")
    step("value, flags and key", (row["Value"], row["Flags"], row["Key"]) == (b"one", 3589, "walk/a"), row)
    step("indexes of a new row", row["CreateIndex"] == row["ModifyIndex"] > 0 and row["LockIndex"] == 0, row)
    step("cas with the right index", c.kv.put("walk/a", "two", cas=row["ModifyIndex"]) is True)
    step("cas with an old index", c.kv.put("walk/a", "three", cas=row["ModifyIndex"]) is False)
    step("cas 0 on what is there", c.kv.put("walk/a", "three", cas=0) is False)
    step("cas 0 on what is not there", c.kv.put("walk/new", "x", cas=0) is True)
    step("bytes of any kind", c.kv.put("walk/bytes", b"\x00\xff\x80") is True and c.kv.get("walk/bytes")[1]["Value"] == b"\x00\xff\x80")
    step("an empty value", c.kv.put("walk/empty", "") is True and c.kv.get("walk/empty")[1]["Value"] in (None, b""))
    step("a key in another script", c.kv.put("walk/schlüssel/日本", "ja") is True and c.kv.get("walk/schlüssel/日本")[1]["Value"] == b"ja")
    for key in ("walk/tree/a/1", "walk/tree/a/2", "walk/tree/b"):
        c.kv.put(key, key)
    _, rows = c.kv.get("walk/tree/", recurse=True)
    step("recurse", [row["Key"] for row in rows] == ["walk/tree/a/1", "walk/tree/a/2", "walk/tree/b"], rows)
    _, names = c.kv.get("walk/tree/", keys=True)
    step("keys", names == ["walk/tree/a/1", "walk/tree/a/2", "walk/tree/b"], names)
    _, names = c.kv.get("walk/tree/", keys=True, separator="/")
    step("keys up to a separator", names == ["walk/tree/a/", "walk/tree/b"], names)
    step("keys of nothing", c.kv.get("walk/nothing/", keys=True)[1] is None)
    for consistency in ("default", "consistent", "stale"):
        step("read " + consistency, c.kv.get("walk/a", consistency=consistency)[1]["Value"] == b"two")
    row = c.kv.get("walk/a")[1]
    step("delete with an old index", c.kv.delete("walk/a", cas=row["ModifyIndex"] - 1) is False)
    step("delete with the right index", c.kv.delete("walk/a", cas=row["ModifyIndex"]) is True and c.kv.get("walk/a")[1] is None)
    step("delete what is not there", c.kv.delete("walk/a") is True)
    step("delete below", c.kv.delete("walk/tree/", recurse=True) is True and c.kv.get("walk/tree/", recurse=True)[1] is None)


def blocking(c, port):
    c.kv.put("walk/block", "1")
    index, _ = c.kv.get("walk/block")
    start = time.monotonic()
    again, row = c.kv.get("walk/block", index=index, wait="100ms")
    step("a wait that ends by time", row["Value"] == b"1" and again == index and time.monotonic() - start >= 0.1, (again, row))
    other = consul.Consul(port=port)
    writer = later(lambda: other.kv.put("walk/block", "2"))
    again, row = c.kv.get("walk/block", index=index, wait="20s")
    writer.join()
    step("a wait that ends by a write", row["Value"] == b"2" and int(again) > int(index) and time.monotonic() - start < 15, (again, row))
    writer = later(lambda: other.kv.put("walk/blocks/x", "1"))
    index, _ = c.kv.get("walk/blocks/", recurse=True)
    again, rows = c.kv.get("walk/blocks/", recurse=True, index=index, wait="20s")
    writer.join()
    step("a wait on a prefix", [r["Key"] for r in rows or []] == ["walk/blocks/x"], rows)


def sessions(c, node):
    a = c.session.create(name="walker", ttl=30, lock_delay=0, behavior="delete")
    index, row = c.session.info(a)
    step("a session", (row["ID"], row["Name"], row["TTL"], row["Behavior"], row["Node"]) == (a, "walker", "30s", "delete", node), row)
    step("its delay", row["LockDelay"] in (0, 0.0), row)
    step("sessions of all", a in [row["ID"] for row in c.session.list()[1]])
    step("sessions of the node", a in [row["ID"] for row in c.session.node(node)[1]])
    step("renewed", c.session.renew(a)["ID"] == a)
    b = c.session.create(name="other", lock_delay=0)
    step("lock", c.kv.put("walk/lock", "a", acquire=a) is True)
    step("lock that is held", c.kv.put("walk/lock", "b", acquire=b) is False)
    row = c.kv.get("walk/lock")[1]
    step("the holder", row["Session"] == a and row["LockIndex"] == 1 and row["Value"] == b"a", row)
    step("lock again by the holder", c.kv.put("walk/lock", "a2", acquire=a) is True and c.kv.get("walk/lock")[1]["LockIndex"] == 1)
    step("unlock by another", c.kv.put("walk/lock", "b", release=b) is False)
    step("unlock", c.kv.put("walk/lock", "a3", release=a) is True and "Session" not in c.kv.get("walk/lock")[1])
    step("lock by the other", c.kv.put("walk/lock", "b", acquire=b) is True and c.kv.get("walk/lock")[1]["LockIndex"] == 2)
    step("destroyed", c.session.destroy(b) is True)
    row = c.kv.get("walk/lock")[1]
    step("released with its session", "Session" not in row and row["Value"] == b"b", row)
    c.kv.put("walk/mine", "x", acquire=a)
    step("destroyed, with what it held", c.session.destroy(a) is True and c.kv.get("walk/mine")[1] is None)
    step("a session that is gone", c.session.info(a)[1] is None)
    raises("renewing what is gone", consul.NotFound, lambda: c.session.renew(a))
    raises("locking with what is gone", consul.ConsulException, lambda: c.kv.put("walk/lock", "x", acquire=a))
    delayed = c.session.create(lock_delay=15)
    c.kv.put("walk/delayed", "x", acquire=delayed)
    c.session.destroy(delayed)
    b = c.session.create(lock_delay=0)
    step("the delay after a loss", c.kv.put("walk/delayed", "y", acquire=b) is False)
    c.session.destroy(b)


def agent(c, node):
    me = c.agent.self()
    step("self", me["Config"]["NodeName"] == node and me["Member"]["Name"] == node, me["Config"])
    step("members", node in [member["Name"] for member in c.agent.members()])
    step("members of the wide pool", any(m["Name"].startswith(node + ".") for m in c.agent.members(wan=True)))
    check = consul.Check.ttl("60s")
    step("register a service", c.agent.service.register("walk-web", service_id="walk-web-1", address="10.1.2.3", port=8080,
                                                        tags=["v1", "blue"], check=check, enable_tag_override=True) is True)
    mine = c.agent.services()["walk-web-1"]
    step("the agent's service", (mine["Service"], mine["Port"], mine["Tags"], mine["Address"], mine["EnableTagOverride"]) ==
         ("walk-web", 8080, ["v1", "blue"], "10.1.2.3", True), mine)
    step("its check", c.agent.checks()["service:walk-web-1"]["Status"] == "critical")
    step("pass", c.agent.check.ttl_pass("service:walk-web-1", "all is well") is True)
    found = until("passing in the catalog", lambda: c.health.service("walk-web", passing=True)[1])
    step("output in the catalog", [x["Output"] for x in found[0]["Checks"] if x["CheckID"] == "service:walk-web-1"] == ["all is well"], found)
    index, _ = c.health.service("walk-web", passing=True)
    writer = later(lambda: c.agent.check.ttl_fail("service:walk-web-1", "broken"))
    _, rows = c.health.service("walk-web", passing=True, index=index, wait="20s")
    writer.join()
    step("a wait on health", rows == [], rows)
    step("warn", c.agent.check.ttl_warn("service:walk-web-1") is True)
    until("warning in the catalog", lambda: [x for x in c.health.state("warning")[1] if x["CheckID"] == "service:walk-web-1"])
    step("a check of a node", c.agent.check.register("walk-disk", check=consul.Check.ttl("60s"), check_id="walk-disk", notes="room") is True)
    step("a check of a service", c.agent.check.register("walk-more", check=consul.Check.tcp("127.0.0.1", 1, "60s"), check_id="walk-more",
                                                        service_id="walk-web-1") is True)
    rows = until("both in the catalog", lambda: len(rows := [x for x in c.health.node(node)[1] if x["CheckID"].startswith("walk-")]) == 2 and rows)
    step("whose they are", {x["CheckID"]: x["ServiceName"] for x in rows} == {"walk-disk": "", "walk-more": "walk-web"}, rows)
    step("deregister a check", c.agent.check.deregister("walk-more") is True and "walk-more" not in c.agent.checks())
    c.agent.check.deregister("walk-disk")
    step("maintenance of a service", c.agent.service.maintenance("walk-web-1", "true", "upgrade") is True)
    until("its check", lambda: c.agent.checks().get("_service_maintenance:walk-web-1", {}).get("Notes") == "upgrade")
    step("maintenance ends", c.agent.service.maintenance("walk-web-1", "false") is True)
    step("maintenance of the node", c.agent.maintenance("true", "reboot") is True and "_node_maintenance" in c.agent.checks())
    step("and its end", c.agent.maintenance("false") is True and "_node_maintenance" not in c.agent.checks())
    raises("a check that is not there", consul.ConsulException, lambda: c.agent.check.ttl_pass("walk-none"))
    raises("a check without a kind", consul.ConsulException, lambda: c.http.put(
        consul.base.CB.bool() if not WIDE else __import__("consul.callback").callback.CB.boolean(), "/v1/agent/check/register",
        data='{"Name": "walk-bad"}'))


def catalog(c, node):
    step("register a node", c.catalog.register("walk-node", "10.9.8.7", service={
        "Service": "walk-db", "ID": "walk-db-1", "Port": 5432, "Tags": ["primary"]}, check={
        "Node": "walk-node", "CheckID": "walk-db-check", "Name": "db", "ServiceID": "walk-db-1", "Status": "passing"}) is True)
    step("datacenters", c.catalog.datacenters() == ["dc1"])
    step("nodes", {"walk-node", node} <= {row["Node"] for row in c.catalog.nodes()[1]})
    step("nodes nearby", c.catalog.nodes(near="_agent")[1][0]["Node"] == node)
    step("services", c.catalog.services()[1]["walk-db"] == ["primary"])
    step("a node", c.catalog.node("walk-node")[1]["Services"]["walk-db-1"]["Port"] == 5432)
    step("a node that is not there", c.catalog.node("walk-nobody")[1] is None)
    _, rows = c.catalog.service("walk-db", tag="primary")
    step("a service by tag", [(r["Node"], r["Address"], r["ServicePort"]) for r in rows] == [("walk-node", "10.9.8.7", 5432)], rows)
    step("a service by another tag", c.catalog.service("walk-db", tag="replica")[1] == [])
    step("health of a service", [r["Node"]["Node"] for r in c.health.service("walk-db", passing=True)[1]] == ["walk-node"])
    step("checks of a service", [r["CheckID"] for r in c.health.checks("walk-db")[1]] == ["walk-db-check"])
    step("checks of a node", [r["CheckID"] for r in c.health.node("walk-node")[1]] == ["walk-db-check"])
    step("checks by state", "walk-db-check" in [r["CheckID"] for r in c.health.state("passing")[1]])
    index, _ = c.catalog.services()
    writer = later(lambda: c.catalog.register("walk-node", "10.9.8.7", service={"Service": "walk-cache"}))
    _, found = c.catalog.services(index=index, wait="20s")
    writer.join()
    step("a wait on services", "walk-cache" in found, found)
    step("deregister a service", c.catalog.deregister("walk-node", service_id="walk-cache") is True and "walk-cache" not in c.catalog.services()[1])
    step("deregister a check", c.catalog.deregister("walk-node", check_id="walk-db-check") is True and c.health.node("walk-node")[1] == [])


def transactions(c):
    import base64
    value = base64.b64encode(b"t").decode()
    reply = c.txn.put([{"KV": {"Verb": "set", "Key": "walk/t1", "Value": value, "Flags": 7}},
                       {"KV": {"Verb": "cas", "Key": "walk/t2", "Value": value, "Index": 0}},
                       {"KV": {"Verb": "get", "Key": "walk/t1"}}])
    step("a transaction", [r["KV"]["Key"] for r in reply["Results"]] == ["walk/t1", "walk/t2", "walk/t1"] and
         reply["Results"][2]["KV"]["Value"] == value and reply["Results"][2]["KV"]["Flags"] == 7, reply)
    raises("one that is refused", consul.ConsulException, lambda: c.txn.put([
        {"KV": {"Verb": "set", "Key": "walk/t1", "Value": ""}}, {"KV": {"Verb": "check-index", "Key": "walk/t2", "Index": 1}}]))
    step("leaves all as it was", c.kv.get("walk/t1")[1]["Value"] == b"t")
    reply = c.txn.put([{"KV": {"Verb": "get-tree", "Key": "walk/t"}}])
    step("get-tree", [r["KV"]["Key"] for r in reply["Results"]] == ["walk/t1", "walk/t2"], reply)
    reply = c.txn.put([{"KV": {"Verb": "check-not-exists", "Key": "walk/t3"}}, {"KV": {"Verb": "delete-tree", "Key": "walk/t"}}])
    step("delete-tree", reply["Results"] in ([], None) and c.kv.get("walk/t", recurse=True)[1] is None, reply)
    reply = c.txn.put([{"Node": {"Verb": "get", "Node": {"Node": "walk-node"}}},
                       {"Service": {"Verb": "get", "Node": "walk-node", "Service": {"ID": "walk-db-1"}}}])
    step("rows of the catalog", reply["Results"][0]["Node"]["Address"] == "10.9.8.7" and
         reply["Results"][1]["Service"]["Service"] == "walk-db", reply)


def events(c):
    fired = c.event.fire("walk", body="hello")
    step("fire", fired["Name"] == "walk" and uuid.UUID(fired["ID"]) is not None, fired)
    found = until("heard", lambda: [e for e in c.event.list(name="walk")[1] if e["ID"] == fired["ID"]])
    step("what it says", found[0]["Payload"] in (b"hello", "aGVsbG8="), found)
    index, _ = c.event.list(name="walk")
    writer = later(lambda: c.event.fire("walk", body="again"))
    _, rows = c.event.list(name="walk", index=index)  # python-consul falls over a wait here
    writer.join()
    step("a wait on events", len(rows) == 2, rows)


def queries(c, node):
    made = c.query.create("walk-db", name="walk-query", nearestn=2, datacenters=["dc1"], onlypassing=True, tags=["primary"], ttl="10s")
    row = c.query.get(made["ID"])
    row = row[0] if isinstance(row, list) else row
    step("a query", (row["Name"], row["Service"]["Service"], row["DNS"]["TTL"]) == ("walk-query", "walk-db", "10s"), row)
    step("all queries", made["ID"] in [q["ID"] for q in c.query.list()])
    answer = c.query.execute("walk-query", near="_agent", limit=1)
    step("executed", [n["Node"]["Node"] for n in answer["Nodes"]] == ["walk-node"] and answer["DNS"]["TTL"] == "10s", answer)
    template = c.query.create("${match(1)}", name="walk-any-", regexp="^walk-any-(.+)$")
    step("a template", c.query.explain("walk-any-walk-db")["Query"]["Service"]["Service"] == "walk-db")
    answer = c.query.execute("walk-any-walk-db")
    step("executed by its template", answer["Service"] == "walk-db" and len(answer["Nodes"]) == 1, answer)
    step("changed", c.query.update(made["ID"], service="walk-web", name="walk-query") is True)
    step("deleted", c.query.delete(made["ID"]) is True and c.query.delete(template["ID"]) is True)
    if WIDE:  # python-consul looks for an index, which errors do not have
        step("a query that is gone", not c.query.execute("walk-query"))


def coordinates(c, node):
    step("coordinates of datacenters", c.coordinate.datacenters()[0]["Datacenter"] == "dc1")
    rows = until("coordinates of nodes", lambda: c.coordinate.nodes()[1])
    step("a coordinate", node in [r["Node"] for r in rows] and len(rows[0]["Coord"]["Vec"]) == 8, rows)


def operator(c, node):
    step("the leader", ":" in c.status.leader() and c.status.leader() in c.status.peers())
    servers = c.operator.raft_config()["Servers"]
    step("servers of raft", [(s["Node"], s["Leader"], s["Voter"]) for s in servers] == [(node, True, True)], servers)


def wide(c, node):
    """What only py-consul asks."""
    step("filter of nodes", [r["Node"] for r in c.catalog.nodes(filter_expr='Node == "walk-node"')[1]] == ["walk-node"])
    step("filter of health", c.health.service("walk-db", filter_expr='"replica" in Service.Tags')[1] == [])
    step("filter of the agent's services", list(c.agent.services(filter_expr='Service == "walk-web"')) == ["walk-web-1"])
    step("the definition", c.agent.service_definition("walk-web-1")["ContentHash"] != "")
    step("service with all", c.agent.service.register("walk-all", meta={"k": "v"}, weights={"Passing": 3, "Warning": 1},
         extra_checks=[consul.Check.ttl("1m"), consul.Check.ttl("2m")], replace_existing_checks=True,
         tagged_addresses={"lan": {"Address": "10.0.0.1", "Port": 1}}) is True)
    mine = c.agent.services()["walk-all"]
    step("what it has", mine["Meta"] == {"k": "v"} and mine["Weights"] == {"Passing": 3, "Warning": 1} and
         mine["TaggedAddresses"]["lan"] == {"Address": "10.0.0.1", "Port": 1}, mine)
    step("deregister", c.agent.service.deregister("walk-all") is True and "walk-all" not in c.agent.services())
    step("reload", c.agent.reload() is True)
    step("metrics", "Gauges" in c.agent.metrics())
    step("join itself", c.agent.join("127.0.0.1:%d" % c.agent.self()["Member"]["Port"]) is True)
    raises("force-leave of nobody", consul.ConsulException, lambda: c.agent.force_leave("walk-nobody"))
    step("near and limit", c.catalog.service("walk-db", near="_agent")[1][0]["Node"] == "walk-node")
    index, rows = c.coordinate.node(node)
    step("the coordinate of a node", rows[0]["Node"] == node, rows)
    step("update a coordinate", c.coordinate.update("walk-node", rows[0]["Coord"]) is True)
    until("the coordinate is there", lambda: c.coordinate.node("walk-node")[1])
    config = c.operator.autopilot_configuration()
    step("autopilot", config["CleanupDeadServers"] is True and config["MaxTrailingLogs"] == 250, config)
    change = {"cleanup_dead_servers": True, "last_contact_threshold": "300ms", "max_trailing_logs": 251, "server_stabilization_time": "10s"}
    step("autopilot with an old index", c.operator.update_autopilot_configuration(**change, cas=config["ModifyIndex"] + 1) is False)
    step("autopilot with the right one", c.operator.update_autopilot_configuration(**change, cas=config["ModifyIndex"]) is True)
    step("what it is then", c.operator.autopilot_configuration()["LastContactThreshold"] == "300ms")
    until("autopilot's health", lambda: c.operator.autopilot_health()["Healthy"])
    step("defaults", c.config.set("service-defaults", "walk-web", {"Protocol": "http"}) is True)
    step("read", c.config.get("service-defaults", "walk-web")["Protocol"] == "http")
    step("listed", [e["Name"] for e in c.config.list("service-defaults")] == ["walk-web"])
    step("a chain", c.discovery_chain.get("walk-web")["Chain"]["Protocol"] == "http")
    step("deleted", c.config.delete("service-defaults", "walk-web") is True)
    saved = c.snapshot.save()
    step("a snapshot", saved[:2] == b"\x1f\x8b", saved[:8])
    c.kv.put("walk/after", "x")
    step("restored", c.snapshot.restore(saved) is True)
    until("what came after is gone", lambda: c.kv.get("walk/after")[1] is None)


def newer(c, node):
    """What came after Consul 1.8."""
    step("usage", c.operator.usage()["Usage"]["dc1"]["Nodes"] >= 1)
    step("an intention", c.connect.intentions.upsert("walk-a", "walk-b", action="deny") is True)
    step("read", c.connect.intentions.read("walk-a", "walk-b")["Action"] == "deny")
    step("listed", [(i["SourceName"], i["DestinationName"]) for i in c.connect.intentions.list()] == [("walk-a", "walk-b")])
    step("checked", c.connect.intentions.check("walk-a", "walk-b") is False)
    step("matched", [i["SourceName"] for i in c.connect.intentions.match("destination", "walk-b")["walk-b"]] == ["walk-a"])
    step("deleted", c.connect.intentions.delete("walk-a", "walk-b") is True)
    step("tags of a list", len(c.health.service("walk-db", tag=["primary"])[1]) == 1)
    step("metrics of Prometheus", "# TYPE" in c.agent.metrics(format_prometheus=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("node")
    parser.add_argument("--newer", action="store_true")
    args = parser.parse_args()
    c = consul.Consul(port=args.port)
    c.kv.delete("walk/", recurse=True)
    keys(c)
    blocking(c, args.port)
    sessions(c, args.node)
    agent(c, args.node)
    catalog(c, args.node)
    transactions(c)
    events(c)
    queries(c, args.node)
    coordinates(c, args.node)
    operator(c, args.node)
    if WIDE:
        wide(c, args.node)
        if args.newer:
            newer(c, args.node)
    c.agent.service.deregister("walk-web-1")
    step("deregister a node", c.catalog.deregister("walk-node") is True and c.catalog.node("walk-node")[1] is None)
    print("walked", STEPS)


if __name__ == "__main__":
    main()
