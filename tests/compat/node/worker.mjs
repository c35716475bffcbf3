// Does tasks, one JSON line in and one out: {method, at, args} -> {value} or {refused: {name, message, status}}.
import { createInterface } from "node:readline";

const client = await import(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  const { method, at, args } = JSON.parse(line);
  let answer;
  try {
    answer = { value: await client[method](at, ...args) };
  } catch (error) {
    const name = error.name === "Error" ? error.constructor.name : error.name;
    answer = { refused: { name, message: error.message, status: error.status ?? error.statusCode ?? null } };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
