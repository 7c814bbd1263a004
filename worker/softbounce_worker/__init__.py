"""One attempt after another: route, dial, talk, conclude. dramatiq's actors stand at its border only."""
