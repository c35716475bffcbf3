// Vercel's AI SDK over a provider: what all of its providers do alike.
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { given, pictureData } from "./given.mjs";

const again = { maxRetries: 0 };

export const tasks = (provider) => ({
  async ask(at, text, extra) {
    const answer = await generateText({ ...again, model: provider(at, extra).chat, prompt: text });
    const { inputTokens, outputTokens } = answer.usage;
    const { "x-request-id": request_id, "x-infergate-cost": cost } = answer.response.headers;
    return { text: answer.text, request_id, tokens: [inputTokens, outputTokens], cost };
  },

  async stream(at, text, leaveAfter) {
    const pieces = [];
    const leaving = new AbortController();
    const answer = streamText({ ...again, model: provider(at).chat, prompt: text, abortSignal: leaving.signal });
    for await (const piece of answer.textStream) {
      pieces.push(piece);
      if (pieces.length === leaveAfter) {
        leaving.abort();
        break;
      }
    }
    return pieces;
  },

  async tools(at, text) {
    const weather = tool({
      description: "The weather somewhere",
      inputSchema: z.object({ city: z.string() }),
      execute: async () => given.degrees,
    });
    const tools = { [given.tool]: weather };
    const answer = await generateText({ ...again, model: provider(at).chat, prompt: text, tools, stopWhen: stepCountIs(3) });
    return answer.text;
  },

  async structured(at, text) {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const answer = await generateText({ ...again, model: provider(at).chat, prompt: text, output: Output.object({ schema }) });
    return answer.output;
  },

  async look(at, text) {
    const pictures = [new URL(given.picture_url), pictureData].map((image) => ({ type: "image", image }));
    const content = [{ type: "text", text }, ...pictures];
    await generateText({ ...again, model: provider(at).chat, messages: [{ role: "user", content }] });
  },

  async embed(at, texts) {
    const made = await embedMany({ ...again, model: provider(at).embedding, values: texts });
    return made.embeddings;
  },
});
