// @ai-sdk/openai-compatible.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tasks } from "./ai_sdk.mjs";

export const { ask, stream, tools, structured, look, embed } = tasks((at, extra) => {
  const gateway = createOpenAICompatible({
    name: "infergate",
    baseURL: `${at.url}/v1`,
    apiKey: at.key,
    includeUsage: true,
    supportsStructuredOutputs: true,
    // Else it fetches pictures itself, and sends them as data.
    supportedUrls: () => ({ "image/*": [/^https:\/\//] }),
    transformRequestBody: (body) => ({ ...body, ...extra }),
  });
  return { chat: gateway(at.model), embedding: gateway.embeddingModel(at.model) };
});
