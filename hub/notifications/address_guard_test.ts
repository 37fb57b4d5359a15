import { equal, ok, throws } from "node:assert/strict";
import { allowedTargets, refusalOf, urlRefusal } from "./address_guard.ts";

const NONE = allowedTargets([]);

const REFUSED = [
  ["127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"],
  ["192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"],
  ["::1", "::", "fe80::1", "fd00:ec2::254", "fc00::1", "ff02::1", "2002:7f00:1::", "2001:db8::1"],
  ["::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:a00:1", "::127.0.0.1", "64:ff9b::a00:1"],
  ["64:ff9b::169.254.169.254", "64:ff9b:1::1", "fec0::1", "2001::1"],
  ["168.63.129.16", "::ffff:168.63.129.16"],
  ["0177.0.0.1", "127.1", "2130706433", "0x7f000001", "", "fe80::1%eth0", "1:2:3"],
].flat();

Deno.test("address guard: refuses what is not the public Internet, however it is written (S27)", () => {
  for (const address of REFUSED) ok(refusalOf(address, NONE) !== null, address);
});

Deno.test("address guard: lets public addresses through", () => {
  for (
    const address of ["8.8.8.8", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
  ) {
    equal(refusalOf(address, NONE), null, address);
  }
});

Deno.test("address guard: other spellings of addresses in a URL are seen through", () => {
  for (
    const url of [
      "http://2130706433/",
      "http://0x7f.1/",
      "http://0177.0.0.1/",
      "http://127.1/",
      "http://[::ffff:127.0.0.1]/",
      "http://[::ffff:7f00:1]/",
      "http://169.254.169.254/latest/meta-data",
      "http://１２７.0.0.1/",
      "ftp://example.com/",
      "https://user:secret@example.com/",
      "https://example.com:6379/",
    ]
  ) {
    ok(urlRefusal(new URL(url), NONE) !== null, url);
  }
  equal(urlRefusal(new URL("https://example.com/hook"), NONE), null);
});

Deno.test("address guard: what the hub was started to allow is let through, nothing beside it", () => {
  const allowed = allowedTargets(["10.2.0.0/16", "Alerts.Plant.example", "fd12::/16"]);
  equal(refusalOf("10.2.3.4", allowed), null);
  equal(refusalOf("::ffff:10.2.3.4", allowed), null);
  ok(refusalOf("10.3.0.1", allowed) !== null);
  equal(refusalOf("fd12::1", allowed), null);
  equal(urlRefusal(new URL("http://alerts.plant.example:9093/x"), allowed), null);
  equal(urlRefusal(new URL("http://10.2.3.4:9093/x"), allowed), null);
  ok(urlRefusal(new URL("http://10.3.3.4/x"), allowed) !== null);
  for (const bad of ["10.0.0.0/33", "a b", "http://x", "10.0.0", ""]) {
    throws(() => allowedTargets([bad]), /allow-webhook-to/, bad);
  }
});
