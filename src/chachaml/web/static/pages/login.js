// Signing in leads on to where a link's # points, which the browser forgets unless the form names it.

for (const form of document.forms) form.action += location.hash;
