"use strict";
// Tokens given by the Authorize button stay in this page's memory: nothing is stored in the browser.
window.ui = SwaggerUIBundle({
	url: new URL("openapi.json", window.location.href).href,
	dom_id: "#api",
	deepLinking: true,
	docExpansion: "list",
	defaultModelsExpandDepth: 0,
	displayRequestDuration: true,
	filter: true,
	persistAuthorization: false,
	tryItOutEnabled: true,
	validatorUrl: null,
});
