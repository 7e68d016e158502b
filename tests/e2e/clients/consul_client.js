// Walks an agent with the Consul client of Node: the package `consul`.
//
//     node consul_client.js PORT NODE
//
// Each step is told when it held; the first that does not ends the walk with what was seen. $NODE_PATH says where the package is.
"use strict";

const Consul = require("consul");

const [port, node] = [Number(process.argv[2]), process.argv[3]];
let steps = 0;

function step(what, holds, seen) {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(seen)}`);
  steps += 1;
  console.log("ok", what);
}

// The client tells "false" of a write by leaving the answer out.
const no = (what, seen) => step(what, !seen, seen);
const same = (what, seen, expected) => step(what, JSON.stringify(seen) === JSON.stringify(expected), seen);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits for an answer that is true; what the agent knows reaches the catalog a moment later.
async function until(what, ask) {
  const end = Date.now() + 20000;
  for (;;) {
    const answer = await ask();
    if (answer) {
      step(what, true);
      return answer;
    }
    if (Date.now() > end) throw new Error(what);
    await pause(50);
  }
}

async function refused(what, status, ask) {
  const error = await ask().then(() => null, (error) => error);
  step(what, error && error.statusCode === status, error && [error.statusCode, error.message]);
}

async function keys(c) {
  step("a key that is not there", !(await c.kv.get("walk/none")));
  step("set", await c.kv.set({ key: "walk/a", value: "one", flags: 42 }));
  const row = await c.kv.get("walk/a");
  same("value and flags", [row.Key, row.Value, row.Flags, row.LockIndex], ["walk/a", "one", 42, 0]);
  same("cas with the right index", await c.kv.set({ key: "walk/a", value: "two", cas: String(row.ModifyIndex) }), true);
  no("cas with an old index", await c.kv.set({ key: "walk/a", value: "three", cas: String(row.ModifyIndex) }));
  same("raw", (await c.kv.get({ key: "walk/a", raw: true })).toString(), "two");
  await c.kv.set("walk/bytes", Buffer.from([0, 255, 128]));
  same("bytes of any kind", [...(await c.kv.get({ key: "walk/bytes", buffer: true })).Value], [0, 255, 128]);
  await c.kv.set("walk/é/ü x", "unicode");
  same("a key with blanks", (await c.kv.get("walk/é/ü x")).Value, "unicode");
  await c.kv.set("walk/tree/1/x", "");
  await c.kv.set("walk/tree/2", "");
  same("keys", await c.kv.keys("walk/tree/"), ["walk/tree/1/x", "walk/tree/2"]);
  same("keys up to a separator", await c.kv.keys({ key: "walk/tree/", separator: "/" }), ["walk/tree/1/", "walk/tree/2"]);
  same("recurse", (await c.kv.get({ key: "walk/tree/", recurse: true })).map((row) => row.Key), ["walk/tree/1/x", "walk/tree/2"]);
  for (const how of [{ consistent: true }, { stale: true }]) {
    same("read " + Object.keys(how)[0], (await c.kv.get({ key: "walk/a", ...how })).Value, "two");
  }
  step("delete below", await c.kv.del({ key: "walk/tree/", recurse: true }));
  step("nothing is below", !(await c.kv.get({ key: "walk/tree/", recurse: true })));
  const fresh = await c.kv.get("walk/a");
  no("delete with an old index", await c.kv.del({ key: "walk/a", cas: String(fresh.ModifyIndex + 1) }));
  same("delete with the right index", await c.kv.del({ key: "walk/a", cas: String(fresh.ModifyIndex) }), true);
}

// The client's own loop of blocking queries.
function watched(c, method, options, fits, act) {
  return new Promise((done, fail) => {
    const watch = c.watch({ method, options: { wait: "10s", ...options }, backoffFactor: 100 });
    const end = setTimeout(() => { watch.end(); fail(new Error("the watch saw nothing")); }, 20000);
    let first = true;
    watch.on("change", (data) => {
      if (first) {
        first = false;
        act();
      }
      if (fits(data)) {
        clearTimeout(end);
        watch.end();
        done(data);
      }
    });
    watch.on("error", (error) => { clearTimeout(end); watch.end(); fail(error); });
  });
}

async function watches(c) {
  await c.kv.set("walk/watched", "1");
  const row = await watched(c, c.kv.get, { key: "walk/watched" }, (data) => data.Value === "2", () => c.kv.set("walk/watched", "2"));
  step("a watch of a key", row.Value === "2", row);
  const list = await watched(c, c.catalog.service.list, {}, (data) => "walk-watched" in data,
    () => c.catalog.register({ node: "walk-watch", address: "10.0.0.9", service: { service: "walk-watched" } }));
  step("a watch of services", "walk-watched" in list, list);
  const health = await watched(c, c.health.service, { service: "walk-watched" }, (data) => data.length === 0,
    () => c.catalog.deregister("walk-watch"));
  same("a watch of health", health, []);
}

async function sessions(c) {
  const { ID: id } = await c.session.create({ name: "walker", ttl: "30s", lockdelay: "0s", behavior: "delete" });
  const info = await c.session.info(id);
  const row = Array.isArray(info) ? info[0] : info;
  same("a session", [row.ID, row.Name, row.TTL, row.Behavior, row.Node], [id, "walker", "30s", "delete", node]);
  step("listed", (await c.session.list()).some((row) => row.ID === id));
  step("of the node", (await c.session.node(node)).some((row) => row.ID === id));
  const renewed = await c.session.renew(id);
  step("renewed", (Array.isArray(renewed) ? renewed[0] : renewed).ID === id, renewed);
  same("lock", await c.kv.set({ key: "walk/lock", value: "mine", acquire: id }), true);
  const { ID: other } = await c.session.create({ lockdelay: "0s" });
  no("a lock that is held", await c.kv.set({ key: "walk/lock", value: "other", acquire: other }));
  same("its holder", [(await c.kv.get("walk/lock")).Session, (await c.kv.get("walk/lock")).LockIndex], [id, 1]);
  same("unlock", await c.kv.set({ key: "walk/lock", value: "free", release: id }), true);
  same("lock by the other", await c.kv.set({ key: "walk/lock", value: "other", acquire: other }), true);
  await c.session.destroy(other);
  step("released with its session", (await c.kv.get("walk/lock")).Session === undefined);
  await c.kv.set({ key: "walk/lock", value: "mine", acquire: id });
  await c.session.destroy(id);
  step("deleted with its session", !(await c.kv.get("walk/lock")));
}

async function agent(c) {
  same("self", (await c.agent.self()).Config.NodeName, node);
  same("members", (await c.agent.members()).map((row) => row.Name), [node]);
  await c.agent.service.register({ name: "walk-web", id: "walk-web-1", tags: ["a", "b"], address: "10.1.2.3", port: 8080,
    meta: { k: "v" }, checks: [{ ttl: "60s", status: "passing" }, { name: "second", ttl: "60s" }] });
  const mine = (await c.agent.service.list())["walk-web-1"];
  same("the agent's service", [mine.Service, mine.Tags, mine.Address, mine.Port, mine.Meta], ["walk-web", ["a", "b"], "10.1.2.3", 8080, { k: "v" }]);
  const checks = await c.agent.check.list();
  same("its checks", [checks["service:walk-web-1:1"].Status, checks["service:walk-web-1:2"].Status], ["passing", "critical"]);
  await c.agent.check.pass({ id: "service:walk-web-1:2", note: "well" });
  const found = await until("passing in the catalog", async () => {
    const rows = await c.health.service({ service: "walk-web", passing: true });
    return rows.length && rows;
  });
  step("what it said", found[0].Checks.some((check) => check.Output === "well"), found);
  await c.agent.check.warn("service:walk-web-1:2");
  await until("warning in the catalog", async () => (await c.health.state("warning")).some((row) => row.CheckID === "service:walk-web-1:2"));
  await c.agent.check.fail("service:walk-web-1:2");
  await until("critical in the catalog", async () => (await c.health.service({ service: "walk-web", passing: true })).length === 0);
  await c.agent.check.register({ name: "walk-check", ttl: "60s", notes: "by hand" });
  await until("a check of the node", async () => (await c.health.node(node)).some((row) => row.CheckID === "walk-check"));
  await c.agent.check.deregister("walk-check");
  step("it is gone", !("walk-check" in (await c.agent.check.list())));
  await c.agent.service.maintenance({ id: "walk-web-1", enable: true, reason: "upgrade" });
  step("maintenance of a service", "_service_maintenance:walk-web-1" in (await c.agent.check.list()));
  await c.agent.service.maintenance({ id: "walk-web-1", enable: false });
  await c.agent.maintenance({ enable: true, reason: "reboot" });
  step("maintenance of the node", "_node_maintenance" in (await c.agent.check.list()));
  await c.agent.maintenance(false);
  step("and its end", !("_node_maintenance" in (await c.agent.check.list())));
  await c.agent.reload();
  await refused("force-leave of nobody", 500, () => c.agent.forceLeave("walk-nobody"));
  await refused("a check that is not there", 500, () => c.agent.check.pass("walk-none"));
}

async function catalog(c) {
  await c.catalog.register({ node: "walk-node", address: "10.9.8.7", service: { service: "walk-db", id: "walk-db-1", port: 5432, tags: ["primary"] },
    check: { checkid: "walk-db-check", name: "db", serviceid: "walk-db-1", status: "passing" } });
  same("datacenters", await c.catalog.datacenters(), ["dc1"]);
  step("nodes", (await c.catalog.node.list()).some((row) => row.Node === "walk-node"));
  same("services of a node", Object.keys((await c.catalog.node.services("walk-node")).Services), ["walk-db-1"]);
  same("services", (await c.catalog.service.list())["walk-db"], ["primary"]);
  same("instances", (await c.catalog.service.nodes("walk-db")).map((row) => [row.Node, row.ServicePort]), [["walk-node", 5432]]);
  same("with a tag", await c.catalog.service.nodes({ service: "walk-db", tag: "replica" }), []);
  same("with a filter", await c.catalog.service.nodes({ service: "walk-db", filter: "ServicePort == 1" }), []);
  same("connect", await c.catalog.connect.nodes("walk-db"), []);
  same("checks of a service", (await c.health.checks("walk-db")).map((row) => row.CheckID), ["walk-db-check"]);
  same("health with near", (await c.health.service({ service: "walk-db", near: "_agent" })).length, 1);
  step("status", (await c.status.leader()) === (await c.status.peers())[0]);
}

async function queries(c) {
  const { ID: id } = await c.query.create({ name: "walk-query", service: { service: "walk-db", onlypassing: true, tags: ["primary"] }, dns: { ttl: "10s" } });
  const got = await c.query.get(id);
  const row = Array.isArray(got) ? got[0] : got;
  same("a query", [row.Name, row.Service.Service, row.DNS.TTL], ["walk-query", "walk-db", "10s"]);
  step("listed", (await c.query.list()).some((row) => row.ID === id));
  same("executed", (await c.query.execute("walk-query")).Nodes.map((row) => row.Node.Node), ["walk-node"]);
  await c.query.update({ query: id, name: "walk-query", service: { service: "walk-web" } });
  const { ID: template } = await c.query.create({ name: "walk-any-", service: { service: "${name.suffix}" }, template: { type: "name_prefix_match" } });
  await c.query.explain("walk-any-walk-db"); // it looks for a list, so the answer is lost
  same("a template", (await c.query.execute("walk-any-walk-db")).Service, "walk-db");
  await c.query.destroy(id);
  await c.query.destroy(template);
  await refused("executing what is gone", 404, () => c.query.execute("walk-query"));
}

async function transactions(c) {
  const value = Buffer.from("t").toString("base64");
  const reply = await c.transaction.create([{ KV: { Verb: "set", Key: "walk/t1", Value: value } }, { KV: { Verb: "get", Key: "walk/t1" } }]);
  same("a transaction", reply.Results.map((row) => [row.KV.Key, row.KV.Value]), [["walk/t1", null], ["walk/t1", value]]);
  await refused("one that is refused", 409, () => c.transaction.create([{ KV: { Verb: "set", Key: "walk/t1", Value: "" } },
    { KV: { Verb: "check-not-exists", Key: "walk/t1" } }]));
  same("leaves all as it was", (await c.kv.get("walk/t1")).Value, "t");
}

async function events(c) {
  const fired = await c.event.fire("walk", "hello");
  const heard = await until("heard", async () => (await c.event.list("walk")).find((row) => row.ID === fired.ID));
  same("what it says", heard.Payload, "hello");
}

async function main() {
  const c = new Consul({ port });
  await keys(c);
  await watches(c);
  await sessions(c);
  await agent(c);
  await catalog(c);
  await queries(c);
  await transactions(c);
  await events(c);
  await c.agent.service.deregister("walk-web-1");
  await c.catalog.deregister("walk-node");
  step("deregistered", !(await c.catalog.node.list()).some((row) => row.Node === "walk-node"));
  await c.kv.del({ key: "walk/", recurse: true });
  console.log("walked", steps);
  c.destroy();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
