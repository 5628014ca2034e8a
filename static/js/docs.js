// The page of the API: Swagger UI over the document that the server writes itself.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // Its answer would come from a server elsewhere.
  validatorUrl: null,
});
