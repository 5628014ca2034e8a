// The page of the API: Swagger UI over the document that the server writes itself.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // Its answer would come from a server elsewhere.
  validatorUrl: null,
  // Each name stands in a button already, and what a button holds cannot be a link as well.
  plugins: [({ React }) => ({ components: { DeepLink: ({ text }) => React.createElement("span", null, text) } })],
  // For whoever listens: the choice has a name, and the parts follow the title.
  onComplete: () => {
    document.querySelector("#servers")?.setAttribute("aria-label", "Server");
    for (const part of document.querySelectorAll("h3.opblock-tag, .models > h4")) part.setAttribute("aria-level", "2");
  },
});
